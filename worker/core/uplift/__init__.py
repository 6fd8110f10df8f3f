"""Did it help: what came of those whom a rule may reach beside those whom it never reaches."""
