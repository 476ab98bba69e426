DROP TABLE notice_applications;
DROP TABLE notice_templates;
