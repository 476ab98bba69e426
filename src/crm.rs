//! Both CRMs. A CRM imports `net` and `model` only.

pub mod bitrix24;
