//! Bitrix24: its OAuth, its REST, its events, its robots and its SMS provider.
