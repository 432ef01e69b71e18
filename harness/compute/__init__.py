"""What a net costs: counting, metering, caps, and the nets themselves."""
