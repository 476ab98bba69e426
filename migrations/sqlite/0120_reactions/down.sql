DELETE FROM message_changes WHERE act = 'react';
ALTER TABLE message_changes DROP COLUMN who;
