//! Tables of webhooks.

diesel::table! {
    webhooks (id) {
        id -> Text,
        company -> Text,
        channel -> Text,
        lane -> BigInt,
        url -> Text,
        topics -> Text,
        secret -> Text,
        state -> Text,
        reason -> Nullable<Text>,
        last_number -> BigInt,
        told_at -> Nullable<BigInt>,
        told -> Nullable<Text>,
        told_status -> Nullable<Integer>,
        told_seen -> Nullable<Text>,
        made_at -> BigInt,
    }
}

diesel::table! {
    webhook_events (webhook, number) {
        webhook -> Text,
        number -> BigInt,
        company -> Text,
        key -> Text,
        topic -> Text,
        item -> Text,
        state -> Text,
        attempts -> Integer,
        reason -> Nullable<Text>,
        status -> Nullable<Integer>,
        seen -> Nullable<Text>,
        made_at -> BigInt,
        done_at -> Nullable<BigInt>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(webhooks, webhook_events);
