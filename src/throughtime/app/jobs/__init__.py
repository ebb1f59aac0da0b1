"""Jobs: a file named by a verb is the command of that name, one named by a model is a task of all commands."""
