//! The history in bulk on PostgreSQL: one statement for all rows.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Text};

use super::Connection;
use crate::store::Result;
use crate::store::fixed::fixed;
use crate::store::row::MessageRow;

fixed! {
    Enter<'a> on Pg as PgConnection, gives () {
        "INSERT INTO messages (id, company, channel, chat, outgoing, status, vendor_id, content, origin, code, reason, \
         accepted_at, sent_at, delivered_at, viewed_at) SELECT * FROM unnest(" id: Array<Text> = Vec<&'a str>,
        "::text[], " company: Array<Text> = Vec<&'a str>,
        "::text[], " channel: Array<Text> = Vec<&'a str>,
        "::text[], " chat: Array<Text> = Vec<&'a str>,
        "::text[], " outgoing: Array<Bool> = Vec<bool>,
        "::boolean[], " status: Array<SmallInt> = Vec<i16>,
        "::smallint[], " vendor_id: Array<Nullable<Text>> = Vec<Option<&'a str>>,
        "::text[], " content: Array<Text> = Vec<&'a str>,
        "::text[], " origin: Array<Text> = Vec<&'a str>,
        "::text[], " code: Array<Nullable<Text>> = Vec<Option<&'a str>>,
        "::text[], " reason: Array<Nullable<Text>> = Vec<Option<&'a str>>,
        "::text[], " accepted_at: Array<BigInt> = Vec<i64>,
        "::bigint[], " sent_at: Array<Nullable<BigInt>> = Vec<Option<i64>>,
        "::bigint[], " delivered_at: Array<Nullable<BigInt>> = Vec<Option<i64>>,
        "::bigint[], " viewed_at: Array<Nullable<BigInt>> = Vec<Option<i64>>,
        ; "::bigint[]) ON CONFLICT (id) DO NOTHING"
    }
}

fixed! {
    TakeReceipts<'a> on Pg as PgConnection, gives (BigInt, Text, Text, Text) {
        "DELETE FROM early_receipts early USING unnest(" channel: Array<Text> = Vec<&'a str>,
        "::text[], " vendor_id: Array<Text> = Vec<&'a str>,
        ; "::text[]) AS sent (channel, vendor_id) WHERE early.channel = sent.channel \
         AND early.vendor_id = sent.vendor_id RETURNING early.id, early.channel, early.vendor_id, early.receipt"
    }
}

pub(in crate::store) fn enter(conn: &mut Connection, rows: &[MessageRow]) -> Result<usize> {
    macro_rules! column {
        ($row:ident => $value:expr) => {
            rows.iter().map(|$row| $value).collect()
        };
    }
    let all = Enter {
        id: column!(row => row.id.as_str()),
        company: column!(row => row.company.as_str()),
        channel: column!(row => row.channel.as_str()),
        chat: column!(row => row.chat.as_str()),
        outgoing: column!(row => row.outgoing),
        status: column!(row => row.status),
        vendor_id: column!(row => row.vendor_id.as_deref()),
        content: column!(row => row.content.as_str()),
        origin: column!(row => row.origin.as_str()),
        code: column!(row => row.code.as_deref()),
        reason: column!(row => row.reason.as_deref()),
        accepted_at: column!(row => row.accepted_at),
        sent_at: column!(row => row.sent_at),
        delivered_at: column!(row => row.delivered_at),
        viewed_at: column!(row => row.viewed_at),
        nothing: std::marker::PhantomData,
    };
    Ok(all.execute(conn)?)
}

pub(in crate::store) fn take_receipts(
    conn: &mut Connection,
    messages: &[(String, String)],
) -> Result<Vec<(String, String, String)>> {
    let take = TakeReceipts {
        channel: messages.iter().map(|(channel, _)| channel.as_str()).collect(),
        vendor_id: messages.iter().map(|(_, vendor_id)| vendor_id.as_str()).collect(),
        nothing: std::marker::PhantomData,
    };
    let mut taken: Vec<(i64, String, String, String)> = take.load(conn)?;
    // RETURNING has no order
    taken.sort_unstable_by_key(|(id, ..)| *id);
    Ok(taken.into_iter().map(|(_, channel, vendor_id, receipt)| (channel, vendor_id, receipt)).collect())
}
