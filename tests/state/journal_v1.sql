-- SPDX-License-Identifier: Apache-2.0
-- A journal of schema 1, as its first version wrote it. Never to be changed: old journals must stay readable.
PRAGMA journal_mode=WAL; PRAGMA application_id=1986881130; PRAGMA user_version=1;
BEGIN TRANSACTION;
CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES('created_ms','1772330400000');
CREATE TABLE epochs (
  epoch INTEGER PRIMARY KEY,
  opened_ms INTEGER NOT NULL,
  pid INTEGER NOT NULL,
  host TEXT NOT NULL
) STRICT;
INSERT INTO epochs VALUES(1,1772330400000,4711,'ops1');
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  run TEXT NOT NULL CHECK (run <> ''),
  application TEXT NOT NULL,
  chain_seq INTEGER NOT NULL CHECK (chain_seq > 0),
  header TEXT NOT NULL CHECK (json_valid(header)),
  payload TEXT NOT NULL CHECK (json_valid(payload)),
  payload_sha256 TEXT NOT NULL CHECK (length(payload_sha256) = 64),
  prev_hash TEXT NOT NULL CHECK (length(prev_hash) = 64),
  hash TEXT NOT NULL CHECK (length(hash) = 64),
  UNIQUE (run, application, chain_seq)
) STRICT;
INSERT INTO events VALUES(1,'r-20260301-7f3a9c','',1,'{"seq":1,"run":"r-20260301-7f3a9c","application":"","chain_seq":1,"epoch":1,"kind":"run created","step":-1,"attempt":0,"wall_ms":1772330400000,"mono_ms":5000,"actor":"anna@ops1"}','{"applications":["shop"]}','dfa0df1b53d14307390ad07cabcec6f89de812d36d6a6eba92e6000f051f8b57','dad7c7512e661ba1ff92b703d93c52f016ed50e89ae339d27407519c09ccdc66','399e8f2ac1ac16fd475cd12047abe116172dbaf93b369598f2afc9c2e7c799e6');
INSERT INTO events VALUES(2,'r-20260301-7f3a9c','shop',1,'{"seq":2,"run":"r-20260301-7f3a9c","application":"shop","chain_seq":1,"epoch":1,"kind":"run created","step":-1,"attempt":0,"wall_ms":1772330400000,"mono_ms":5000,"actor":"anna@ops1"}','{"plan":{"name":"shop"},"runbook":"name: shop # café\n"}','299cc80c12e463d74a47bb7f2c05280007aa3f18e1d208b57a0aa24b489a72c7','006a13b21b3d0ae54e17b08c81f36117ac0b98314e0dbc4f4aae080897e3d10f','66acd05e76184c627205a1c2fb61e06556453a1cbf1497c094c5df5040cf05c9');
INSERT INTO events VALUES(3,'r-20260301-7f3a9c','shop',2,'{"seq":3,"run":"r-20260301-7f3a9c","application":"shop","chain_seq":2,"epoch":1,"kind":"intent","step":2,"attempt":1,"wall_ms":1772330400000,"mono_ms":5000,"actor":"engine"}','{"before":{"power":"on"},"deadline_ms":1772330460000,"effect":true,"key":"0f"}','e334f2047cb516ea736223adc39124bd373d01681ac8a11490fb717029969cdb','66acd05e76184c627205a1c2fb61e06556453a1cbf1497c094c5df5040cf05c9','cb636c3495274fbe1fecc9a5c91c3339d02b88196df99f5303c7438bd7c0b157');
INSERT INTO events VALUES(4,'r-20260301-7f3a9c','shop',3,'{"seq":4,"run":"r-20260301-7f3a9c","application":"shop","chain_seq":3,"epoch":1,"kind":"outcome","step":2,"attempt":1,"wall_ms":1772330400000,"mono_ms":5000,"actor":"engine"}','{"facts":{"power":"off"},"result":"done"}','d54e45eb3be335c850a22d78638bcb772795be3a6493840e0715242d4795bfc0','cb636c3495274fbe1fecc9a5c91c3339d02b88196df99f5303c7438bd7c0b157','0d63a9e23166aeb17936fd600137906e206794f685faecd277365f965b156499');
CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER events_are_added_at_the_end BEFORE INSERT ON events
WHEN NEW.seq <> (SELECT ifnull(max(seq), 0) + 1 FROM events)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER epochs_are_not_changed BEFORE UPDATE ON epochs
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER epochs_are_not_removed BEFORE DELETE ON epochs
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
COMMIT;
