"""Music: piano rolls and MIDI files."""
