DROP TABLE notices;
DROP TABLE company_events;
DROP TABLE healths;
