//! Tables of open lines.

diesel::table! {
    open_line_connections (portal, messenger, open_line) {
        portal -> Text,
        messenger -> Text,
        open_line -> BigInt,
        company -> Text,
        channel -> Text,
        name -> Nullable<Text>,
        state -> Text,
        reason -> Nullable<Text>,
        settings -> Text,
        made_at -> BigInt,
        checked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    open_line_chats (id) {
        id -> Text,
        company -> Text,
        portal -> Text,
        messenger -> Text,
        open_line -> BigInt,
        channel -> Text,
        chat -> Text,
        external -> Text,
        person -> Text,
        im_chat -> Nullable<BigInt>,
        im_user -> Nullable<BigInt>,
        session -> Nullable<BigInt>,
        closed -> Bool,
        title -> Nullable<Text>,
        contact -> Nullable<BigInt>,
        lead -> Nullable<BigInt>,
        deal -> Nullable<BigInt>,
        owner -> Nullable<BigInt>,
        assigned -> Nullable<BigInt>,
        active_at -> BigInt,
    }
}

diesel::table! {
    open_line_posts (id) {
        id -> Text,
        company -> Text,
        chat -> Text,
        key -> Text,
        kind -> Text,
        message -> Nullable<Text>,
        body -> Nullable<Text>,
        author -> Nullable<BigInt>,
        state -> Text,
        reason -> Nullable<Text>,
        tried_at -> Nullable<BigInt>,
        said -> Nullable<Text>,
        echo -> Nullable<BigInt>,
        made_at -> BigInt,
        done_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    open_line_words (id) {
        id -> Text,
        company -> Text,
        portal -> Text,
        chat -> Text,
        im_chat -> BigInt,
        im_message -> BigInt,
        operator -> BigInt,
        late -> Bool,
        told -> Text,
        said_at -> BigInt,
    }
}

diesel::table! {
    open_line_parts (word, place) {
        word -> Text,
        place -> Integer,
        message -> Text,
        state -> Text,
    }
}

diesel::table! {
    open_line_wishes (message) {
        message -> Text,
        company -> Text,
        show -> Bool,
        author -> Nullable<BigInt>,
        made_at -> BigInt,
    }
}

diesel::table! {
    open_line_watch (id) {
        id -> Integer,
        seen_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    open_line_connections,
    open_line_chats,
    open_line_posts,
    open_line_words,
    open_line_parts,
    open_line_wishes
);
