-- A customer whom an advertisement led to us may be written to for longer, from our answer on: when that was, while nobody has
-- answered yet, and until when it holds.
ALTER TABLE dialogs ADD COLUMN led_at BIGINT;
ALTER TABLE dialogs ADD COLUMN free_until BIGINT;
