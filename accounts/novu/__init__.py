"""Novu: where the operator reaches people by push, SMS or chat. Optional; unset, nothing here is called."""
