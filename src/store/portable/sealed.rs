//! Everything that is sealed, to seal it with a new key. A place is `<table>:<id>`, as the flows seal it.

use diesel::prelude::*;

use super::Connection;
use crate::store::Result;
use crate::store::schema::{channels, notes, portal_tokens, portals, webhooks};

/// Every place and what is sealed there; empty columns are left out.
pub fn all(conn: &mut Connection) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for (id, sealed) in channels::table.select((channels::id, channels::secrets)).load::<(String, String)>(conn)? {
        found.push((format!("channels:{id}"), sealed));
    }
    for (id, sealed) in
        portals::table.select((portals::id, portals::application_token)).load::<(String, String)>(conn)?
    {
        found.push((format!("portals:{id}"), sealed));
    }
    for (channel, sealed) in notes::table.select((notes::channel, notes::value)).load::<(String, String)>(conn)? {
        found.push((format!("notes:{channel}"), sealed));
    }
    for (id, sealed) in webhooks::table.select((webhooks::id, webhooks::secret)).load::<(String, String)>(conn)? {
        found.push((format!("webhooks:{id}"), sealed));
    }
    let pairs = portal_tokens::table.select((
        portal_tokens::portal,
        portal_tokens::user_id,
        portal_tokens::access_token,
        portal_tokens::refresh_token,
    ));
    for (portal, user, access, refresh) in pairs.load::<(String, String, String, String)>(conn)? {
        let place = format!("portal_tokens:{portal}:{user}");
        found.push((place.clone(), access));
        found.push((place, refresh));
    }
    found.retain(|(_, sealed)| !sealed.is_empty());
    Ok(found)
}

/// Replaces what is sealed at a place, if it is still what was read.
pub fn replace(conn: &mut Connection, place: &str, from: &str, to: &str) -> Result<bool> {
    let (table, id) = place.split_once(':').unwrap_or_default();
    let changed = match table {
        "channels" => diesel::update(channels::table.find(id).filter(channels::secrets.eq(from)))
            .set(channels::secrets.eq(to))
            .execute(conn)?,
        "portals" => diesel::update(portals::table.find(id).filter(portals::application_token.eq(from)))
            .set(portals::application_token.eq(to))
            .execute(conn)?,
        "notes" => diesel::update(notes::table.filter(notes::channel.eq(id).and(notes::value.eq(from))))
            .set(notes::value.eq(to))
            .execute(conn)?,
        "webhooks" => diesel::update(webhooks::table.find(id).filter(webhooks::secret.eq(from)))
            .set(webhooks::secret.eq(to))
            .execute(conn)?,
        _ => {
            let (portal, user) = id.split_once(':').unwrap_or_default();
            let access = portal_tokens::table.find((portal, user)).filter(portal_tokens::access_token.eq(from));
            let refresh = portal_tokens::table.find((portal, user)).filter(portal_tokens::refresh_token.eq(from));
            diesel::update(access).set(portal_tokens::access_token.eq(to)).execute(conn)?
                + diesel::update(refresh).set(portal_tokens::refresh_token.eq(to)).execute(conn)?
        }
    };
    Ok(changed > 0)
}
