"""Time series: tables of dates and numbers to panels on a regular grid."""
