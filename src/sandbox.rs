//! Fake vendors on sockets, for the demo and for the tests. Speaks sockets; knows nothing of the rest of the house.
