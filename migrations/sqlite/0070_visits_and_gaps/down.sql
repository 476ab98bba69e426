DROP TABLE chat_subjects;
DROP TABLE group_acts;
DROP TABLE visits;
