ALTER TABLE dialogs DROP COLUMN free_until;
ALTER TABLE dialogs DROP COLUMN led_at;
