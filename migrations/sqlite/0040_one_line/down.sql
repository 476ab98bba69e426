DROP TABLE first_gates;
DROP TABLE first_contacts;
DROP TABLE notes;
