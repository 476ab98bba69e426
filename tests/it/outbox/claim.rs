//! What a claim promises by itself, without a pump around it: one claimant, one end, and an heir for what a dead process left.

use std::sync::Arc;

use switchboard::model::id::{CompanyId, ErrandId, LaneId};
use switchboard::model::moment::Moment;
use switchboard::model::pace::Pace;
use switchboard::store::outbox::{PutBack, Want};
use switchboard::store::owner::{Post, SHARDS, shard_of};
use switchboard::store::row::NewLane;
use switchboard::store::{Options, Result, Store, StoreError, outbox};

use crate::departure::errand;

const NOW: Moment = Moment(1_000);
const NONE: [ErrandId; 0] = [];

async fn open(database: &str) -> (Arc<Store>, CompanyId, LaneId) {
    let (store, company) = (Store::open(Options::new(database)).unwrap(), CompanyId::new());
    let lane = store.write(move |conn| {
        switchboard::on!(conn, company::create(company, "Test", "Europe/Moscow", 0))?;
        let new = NewLane { kind: "channel".into(), pace: Pace::CAREFUL, hours: None };
        let lane = switchboard::on!(conn, lane::create(company, &new))?;
        for owner in ["one", "two"] {
            switchboard::on!(conn, owner::enter(owner))?;
        }
        Ok(lane)
    });
    let lane = lane.await.unwrap();
    (store, company, lane)
}

async fn accept(store: &Store, company: CompanyId, lane: LaneId, peers: &[&str]) -> Vec<ErrandId> {
    let new: Vec<_> = peers.iter().map(|peer| errand(company, lane, peer)).collect();
    let accepted = store.write(move |conn| outbox::accept(conn, NOW, &new)).await.unwrap();
    accepted.into_iter().map(|accepted| accepted.unwrap().id).collect()
}

async fn claim(store: &Store, owner: &'static str, name: &'static str, lane: LaneId) -> Result<Vec<ErrandId>> {
    let want = Want { lane, live: false, ranks: (0, 3), after: (-1, 0), limit: 10, blocked: vec![], ready: vec![] };
    let claimed = store.write(move |conn| outbox::claim(conn, owner, name, NOW, std::slice::from_ref(&want), false));
    Ok(claimed.await?.into_iter().map(|errand| errand.id).collect())
}

on_both_databases! {
    #[tokio::test]
    async fn what_is_claimed_is_claimed_once_and_ends_once(database: &str) {
        let (store, company, lane) = open(database).await;
        let ids = accept(&store, company, lane, &["a", "b"]).await;
        assert_eq!(claim(&store, "one", "first", lane).await.unwrap(), ids);
        assert_eq!(claim(&store, "one", "second", lane).await.unwrap(), NONE);
        assert_eq!(claim(&store, "two", "third", lane).await.unwrap(), NONE);
        let end = async |ids: Vec<ErrandId>| store.write(move |conn| outbox::remove(conn, &ids)).await.unwrap();
        let back = async |id| {
            let back = PutBack { id, not_before: Moment(0), attempts: 1 };
            store.write(move |conn| outbox::put_back(conn, &[back])).await.unwrap();
        };
        assert_eq!(end(vec![ids[0]]).await, [ids[0]]);
        assert_eq!(end(vec![ids[0]]).await, NONE, "it is over already");
        back(ids[1]).await;
        assert_eq!(end(vec![ids[1]]).await, NONE, "it waits again, so nobody may end it");
        assert_eq!(claim(&store, "two", "fourth", lane).await.unwrap(), [ids[1]]);
        assert_eq!(end(ids.clone()).await, [ids[1]]);
        // what is over cannot come back
        back(ids[1]).await;
        assert_eq!(claim(&store, "two", "fifth", lane).await.unwrap(), NONE);
    }

    #[tokio::test]
    async fn a_process_that_was_struck_out_claims_nothing_and_leaves_what_flew_to_its_heir(database: &str) {
        let (store, company, lane) = open(database).await;
        let shards: Vec<i16> = (0..SHARDS).collect();
        store.write(move |conn| switchboard::on!(conn, owner::take_shards(&shards, "one"))).await.unwrap();
        let flew = accept(&store, company, lane, &["a"]).await;
        assert_eq!(claim(&store, "one", "first", lane).await.unwrap(), flew);
        let waits = accept(&store, company, lane, &["b"]).await;
        let struck = store.write(|conn| {
            assert!(!switchboard::on!(conn, owner::strike("one", 7))?, "its beat is another");
            switchboard::on!(conn, owner::strike("one", 0))
        });
        assert!(struck.await.unwrap());
        assert!(matches!(claim(&store, "one", "late", lane).await, Err(StoreError::Fenced)));
        let heir = store.write(|conn| {
            let flying = outbox::inherit(conn, "one")?;
            let ids: Vec<ErrandId> = flying.iter().map(|errand| errand.id).collect();
            outbox::remove(conn, &ids)?;
            switchboard::on!(conn, owner::free_shards("one"))?;
            Ok(ids)
        });
        assert_eq!(heir.await.unwrap(), flew, "what was in the air, and nothing of what waits");
        assert_eq!(claim(&store, "two", "second", lane).await.unwrap(), waits);
    }

    #[tokio::test]
    async fn what_flies_in_a_shard_of_another_is_left_to_it(database: &str) {
        let (store, company, lane) = open(database).await;
        let flew = accept(&store, company, lane, &["a"]).await;
        assert_eq!(claim(&store, "one", "first", lane).await.unwrap(), flew);
        let shard = shard_of(lane);
        let heir = store.write(move |conn| {
            switchboard::on!(conn, owner::take_shards(&[shard], "two"))?;
            switchboard::on!(conn, owner::strike("one", 0))?;
            assert_eq!(switchboard::on!(conn, owner::shards(Post::Pump))?.len(), usize::from(SHARDS.unsigned_abs()));
            outbox::inherit(conn, "one")
        });
        assert!(heir.await.unwrap().is_empty());
    }
}
