"""What is sent: body and headers from templates, signed with secrets that may change at any time."""
