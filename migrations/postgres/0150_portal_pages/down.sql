DROP TABLE portal_pages;
