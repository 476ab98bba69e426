//! The report of a letter that could not be delivered (RFC 3462, RFC 3464).

use bytes::Bytes;
use chrono::DateTime;

use super::structure::whole;
use crate::sandbox::state::{Sandbox, random_hex};

/// Who reports.
const HOST: &str = "mx.example.com";

/// The report to the sender. `said` is what the other server answered: its code, its status and its words.
pub(super) fn failure(sandbox: &Sandbox, from: &str, to: &str, said: &str, raw: &[u8]) -> Bytes {
    let status = said.split(' ').find(|word| word.split('.').count() == 3).unwrap_or("5.0.0");
    let date = DateTime::from_timestamp_millis(sandbox.now().0).unwrap_or_default().to_rfc2822();
    let (id, boundary) = (random_hex(12), random_hex(8));
    let header = whole(raw).map(|piece| String::from_utf8_lossy(piece.header).into_owned()).unwrap_or_default();
    let report = format!(
        "Return-Path: <>\r\nMessage-ID: <{id}@{HOST}>\r\nDate: {date}\r\nFrom: MAILER-DAEMON@{HOST} (Mail Delivery System)\r\n\
         To: {from}\r\nSubject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nYour message could not be delivered.\r\n<{to}>: {said}\r\n\
         --{boundary}\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; {HOST}\r\nArrival-Date: {date}\r\n\r\n\
         Final-Recipient: rfc822; {to}\r\nAction: failed\r\nStatus: {status}\r\nRemote-MTA: dns; mail.example.com\r\n\
         Diagnostic-Code: smtp; {said}\r\n\r\n\
         --{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n{header}\r\n--{boundary}--\r\n"
    );
    Bytes::from(report)
}
