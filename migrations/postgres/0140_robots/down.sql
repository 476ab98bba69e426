DROP TABLE dialog_tags;
ALTER TABLE answers DROP COLUMN robot;
