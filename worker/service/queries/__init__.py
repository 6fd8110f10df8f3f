"""What is asked of a log from outside: scores, portraits, audiences, whether rules helped."""
