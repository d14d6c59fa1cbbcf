"""HTTP itself: connections, bodies within bounds, who may ask, certificates, errors as JSON."""
