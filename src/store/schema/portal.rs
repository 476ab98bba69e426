//! The tables of portals beside the portals themselves.

diesel::table! {
    portal_pages (portal) {
        portal -> Text,
        company -> Text,
        tabs -> Text,
        writers -> Text,
        test_key -> Nullable<Text>,
        asked_at -> Nullable<BigInt>,
        heard_at -> Nullable<BigInt>,
        put_at -> Nullable<BigInt>,
    }
}
