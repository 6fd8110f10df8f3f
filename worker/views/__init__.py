"""What a person sees of scoring: the live terminal view and the report page. Data comes in as plain frozen objects, nothing is computed here."""
