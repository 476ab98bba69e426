DROP TABLE arrivals;
DROP TABLE files;
