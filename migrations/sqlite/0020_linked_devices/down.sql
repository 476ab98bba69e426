DROP TABLE phone_checks;
DROP TABLE chat_names;
DROP TABLE channel_links;
DROP TABLE linkings;
