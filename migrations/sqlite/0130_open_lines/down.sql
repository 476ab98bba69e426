DROP TABLE open_line_watch;
DROP TABLE open_line_wishes;
DROP TABLE open_line_parts;
DROP TABLE open_line_words;
DROP TABLE open_line_posts;
DROP TABLE open_line_chats;
DROP TABLE open_line_connections;
