"""Places where a whole fleet can be tried on one machine: real schedulers and clouds' APIs, all on loopback."""
