"""Every operation of the API against its own description, with made-up input: see test_contract_fuzz."""
