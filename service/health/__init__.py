"""What is wrong with the line, said aloud: measurements → alarms from a closed list; figures for whoever watches."""
