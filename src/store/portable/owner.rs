//! Processes that pump or listen, and the shards they hold.

use diesel::prelude::*;

use super::Connection;
use crate::store::Result;
use crate::store::owner::{Post, SHARDS};
use crate::store::schema::{owners, shards};

/// Enters a process.
pub fn enter(conn: &mut Connection, id: &str) -> Result<()> {
    diesel::insert_into(owners::table).values((owners::id.eq(id), owners::beat.eq(0i64))).execute(conn)?;
    Ok(())
}

/// Beats: tells whether the process is still entered. The beats of a process that retires count down from below zero, so
/// that the others leave it out when they share.
pub fn beat(conn: &mut Connection, id: &str, retiring: bool) -> Result<bool> {
    let owner = owners::table.find(id);
    let beaten = if retiring {
        let first = diesel::update(owner.filter(owners::beat.ge(0))).set(owners::beat.eq(owners::beat * -1 - 1));
        match first.execute(conn)? {
            0 => diesel::update(owner).set(owners::beat.eq(owners::beat - 1)).execute(conn)?,
            turned => turned,
        }
    } else {
        diesel::update(owner).set(owners::beat.eq(owners::beat + 1)).execute(conn)?
    };
    Ok(beaten == 1)
}

/// Every process of a post and its beat.
pub fn all(conn: &mut Connection, post: Post) -> Result<Vec<(String, i64)>> {
    let all: Vec<(String, i64)> = owners::table.order(owners::id).load(conn)?;
    let listens = |id: &str| id.starts_with(Post::Listener.prefix());
    Ok(all.into_iter().filter(|(id, _)| listens(id) == (post == Post::Listener)).collect())
}

/// Strikes a process out whose beat has stood still; tells whether this call did it.
pub fn strike(conn: &mut Connection, id: &str, beat: i64) -> Result<bool> {
    Ok(diesel::delete(owners::table.find(id).filter(owners::beat.eq(beat))).execute(conn)? == 1)
}

/// Who holds which shard of a post.
pub fn shards(conn: &mut Connection, post: Post) -> Result<Vec<(i16, Option<String>)>> {
    let (first, last) = (post.first_shard(), post.first_shard() + SHARDS - 1);
    Ok(shards::table.filter(shards::id.between(first, last)).order(shards::id).load(conn)?)
}

/// Takes shards that nobody holds; gives back those that were free.
pub fn take_shards(conn: &mut Connection, ids: &[i16], owner: &str) -> Result<Vec<i16>> {
    let free = shards::table.filter(shards::id.eq_any(ids).and(shards::owner.is_null()));
    Ok(diesel::update(free).set(shards::owner.eq(owner)).returning(shards::id).get_results(conn)?)
}

/// Gives a shard up.
pub fn give_shard(conn: &mut Connection, shard: i16, owner: &str) -> Result<()> {
    let held = shards::table.find(shard).filter(shards::owner.eq(owner));
    diesel::update(held).set(shards::owner.eq(None::<String>)).execute(conn)?;
    Ok(())
}

/// Frees all shards of a process.
pub fn free_shards(conn: &mut Connection, owner: &str) -> Result<()> {
    diesel::update(shards::table.filter(shards::owner.eq(owner)))
        .set(shards::owner.eq(None::<String>))
        .execute(conn)?;
    Ok(())
}
