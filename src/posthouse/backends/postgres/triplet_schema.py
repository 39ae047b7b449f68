"""Greylisting's tables and functions in PostgreSQL: an attempt is decided inside the database, in one round trip.

``greylist_decide`` keeps to ``model.triplet.step``. Locks are taken in one order, so that gateways cannot block one another for
good: clients by network (a client's row guards all its triplets), then one lock for the counts of the day.
"""

from __future__ import annotations

from posthouse.model.triplet import MOST_NAMES, OTHERS

_TABLES = """
CREATE TABLE greylist_triplet (
    network text COLLATE "C" NOT NULL,
    sender text COLLATE "C" NOT NULL,
    recipient text COLLATE "C" NOT NULL,
    domain text NOT NULL,
    first_at float8 NOT NULL,
    last_at float8 NOT NULL,
    valid_at float8 NOT NULL,
    tries int NOT NULL,
    passes bigint NOT NULL,
    learnt boolean NOT NULL,
    expires_at float8 NOT NULL,
    PRIMARY KEY (network, sender, recipient)
);
CREATE INDEX greylist_triplet_by_expiry ON greylist_triplet (expires_at);
CREATE INDEX greylist_triplet_waiting ON greylist_triplet (network, first_at) WHERE valid_at = 0;
CREATE TABLE greylist_client (
    network text COLLATE "C" PRIMARY KEY,
    waiting int NOT NULL,
    valid int NOT NULL,
    expires_at float8 NOT NULL
);
CREATE TABLE greylist_tally (
    day int NOT NULL,
    kind text NOT NULL,
    name text COLLATE "C" NOT NULL,
    passed bigint NOT NULL DEFAULT 0,
    delayed bigint NOT NULL DEFAULT 0,
    retried bigint NOT NULL DEFAULT 0,
    lost bigint NOT NULL DEFAULT 0,
    would_wait bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (day, kind, name)
);
CREATE TABLE greylist_names (day int NOT NULL, kind text NOT NULL, names int NOT NULL, PRIMARY KEY (day, kind));
CREATE TABLE greylist_reputation (
    domain text COLLATE "C" NOT NULL,
    network text COLLATE "C" NOT NULL,
    good bigint NOT NULL,
    expires_at float8 NOT NULL,
    PRIMARY KEY (domain, network)
);
"""

_COUNT = f"""
CREATE FUNCTION greylist_count(days int[], domains text[], networks text[], columns text[], counts bigint[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
    known text;
BEGIN
    IF cardinality(days) = 0 THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(x'67726579'::int);
    FOR one IN
        SELECT c.day, k.kind, k.name,
            coalesce(sum(c.count) FILTER (WHERE c.col = 'passed'), 0) AS passed,
            coalesce(sum(c.count) FILTER (WHERE c.col = 'delayed'), 0) AS delayed,
            coalesce(sum(c.count) FILTER (WHERE c.col = 'retried'), 0) AS retried,
            coalesce(sum(c.count) FILTER (WHERE c.col = 'lost'), 0) AS lost,
            coalesce(sum(c.count) FILTER (WHERE c.col = 'would_wait'), 0) AS would_wait
        FROM unnest(days, domains, networks, columns, counts) AS c(day, domain, network, col, count),
            LATERAL (VALUES ('domain', c.domain), ('network', c.network)) AS k(kind, name)
        GROUP BY c.day, k.kind, k.name
    LOOP
        known := one.name;
        IF NOT EXISTS (SELECT 1 FROM greylist_tally t WHERE t.day = one.day AND t.kind = one.kind AND t.name = one.name) THEN
            INSERT INTO greylist_names AS n VALUES (one.day, one.kind, 1)
                ON CONFLICT (day, kind) DO UPDATE SET names = n.names + 1 WHERE n.names < {MOST_NAMES};
            IF NOT FOUND THEN known := '{OTHERS}'; END IF;
        END IF;
        INSERT INTO greylist_tally AS t
            VALUES (one.day, one.kind, known, one.passed, one.delayed, one.retried, one.lost, one.would_wait)
            ON CONFLICT (day, kind, name) DO UPDATE SET
                passed = t.passed + excluded.passed, delayed = t.delayed + excluded.delayed,
                retried = t.retried + excluded.retried, lost = t.lost + excluded.lost,
                would_wait = t.would_wait + excluded.would_wait;
    END LOOP;
END $$;
"""

_DECIDE = """
CREATE FUNCTION greylist_decide(
    networks text[], senders text[], recipients text[], domains text[], at float8, earliest float8, latest float8,
    lifetime float8, most_waiting int, auto_allow int, learning boolean
) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    ask record;
    client greylist_client;
    known greylist_triplet;
    outcome text;
    anew boolean;
    outcomes text[] := networks;
    day int := floor(at / 86400);
    days int[] := '{}'; doms text[] := '{}'; nets text[] := '{}'; cols text[] := '{}';
    gone record;
BEGIN
    FOR ask IN
        SELECT * FROM unnest(networks, senders, recipients, domains) WITH ORDINALITY AS a(network, sender, recipient, domain, n)
        ORDER BY network COLLATE "C", sender COLLATE "C", recipient COLLATE "C", n
    LOOP
        INSERT INTO greylist_client AS c VALUES (ask.network, 0, 0, 0)
            ON CONFLICT (network) DO UPDATE SET network = excluded.network RETURNING * INTO client;
        IF auto_allow > 0 AND client.valid >= auto_allow AND at <= client.expires_at THEN
            outcome := 'allowed';
            UPDATE greylist_client SET expires_at = at + lifetime WHERE network = ask.network;
        ELSE
            SELECT * INTO known FROM greylist_triplet t
                WHERE t.network = ask.network AND t.sender = ask.sender AND t.recipient = ask.recipient;
            outcome := CASE
                WHEN NOT FOUND THEN 'new'
                WHEN known.valid_at > 0 THEN CASE WHEN at - known.last_at > lifetime THEN 'late' ELSE 'valid' END
                WHEN at - known.first_at < earliest THEN 'early'
                WHEN at - known.first_at > latest THEN 'late'
                ELSE 'retried' END;
            anew := outcome = 'new' OR (outcome = 'late' AND known.valid_at > 0);
            IF outcome = 'late' AND known.valid_at = 0 THEN
                days := days || floor(known.first_at / 86400)::int;
                doms := doms || ask.domain; nets := nets || ask.network; cols := cols || 'lost'::text;
            END IF;
            IF anew AND client.waiting >= most_waiting THEN
                FOR gone IN
                    DELETE FROM greylist_triplet t USING (
                        SELECT sender, recipient FROM greylist_triplet w WHERE w.network = ask.network AND w.valid_at = 0
                        ORDER BY first_at, sender, recipient LIMIT greatest(most_waiting / 10, 1)
                    ) old WHERE t.network = ask.network AND t.sender = old.sender AND t.recipient = old.recipient
                    RETURNING t.domain, t.first_at
                LOOP
                    client.waiting := client.waiting - 1;
                    days := days || floor(gone.first_at / 86400)::int;
                    doms := doms || gone.domain; nets := nets || ask.network; cols := cols || 'lost'::text;
                END LOOP;
            END IF;
            UPDATE greylist_client SET
                waiting = greatest(client.waiting + anew::int - (outcome = 'retried')::int, 0),
                valid = client.valid + (outcome = 'retried')::int,
                expires_at = CASE WHEN outcome IN ('retried', 'valid') THEN greatest(client.expires_at, at + lifetime)
                    ELSE client.expires_at END
                WHERE network = ask.network;
            IF outcome IN ('new', 'late') THEN
                INSERT INTO greylist_triplet VALUES
                    (ask.network, ask.sender, ask.recipient, ask.domain, at, at, 0, 1, 0, learning, at + latest)
                    ON CONFLICT (network, sender, recipient) DO UPDATE SET domain = excluded.domain, first_at = at,
                        last_at = at, valid_at = 0, tries = 1, passes = 0, learnt = learning, expires_at = at + latest;
            ELSE
                UPDATE greylist_triplet t SET
                    last_at = greatest(t.last_at, at),
                    valid_at = CASE WHEN outcome = 'retried' THEN at ELSE t.valid_at END,
                    tries = t.tries + (outcome = 'early')::int,
                    passes = t.passes + (outcome <> 'early')::int,
                    expires_at = CASE WHEN outcome = 'early' THEN t.first_at + latest
                        ELSE greatest(t.last_at, at) + lifetime END
                    WHERE t.network = ask.network AND t.sender = ask.sender AND t.recipient = ask.recipient;
            END IF;
        END IF;
        outcomes[ask.n] := outcome;
        days := days || day; doms := doms || ask.domain; nets := nets || ask.network;
        cols := cols || CASE WHEN outcome = 'retried' THEN 'retried' WHEN outcome IN ('valid', 'allowed') THEN 'passed'
            WHEN learning THEN 'would_wait' ELSE 'delayed' END;
    END LOOP;
    PERFORM greylist_count(days, doms, nets, cols, array_fill(1::bigint, ARRAY[cardinality(days)]));
    RETURN outcomes;
END $$;
"""

_USE = """
CREATE FUNCTION greylist_use(
    networks text[], senders text[], recipients text[], domains text[], outcomes text[], uses bigint[], ats float8[],
    lifetime float8, learning boolean
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT * FROM unnest(networks, senders, recipients, outcomes, uses, ats)
            AS a(network, sender, recipient, outcome, uses, at)
        ORDER BY network COLLATE "C", sender COLLATE "C", recipient COLLATE "C"
    LOOP
        PERFORM 1 FROM greylist_client c WHERE c.network = one.network FOR UPDATE;
        IF one.outcome <> 'early' THEN
            UPDATE greylist_client c SET expires_at = greatest(c.expires_at, one.at + lifetime) WHERE c.network = one.network;
        END IF;
        IF one.outcome <> 'allowed' THEN
            UPDATE greylist_triplet t SET
                last_at = greatest(t.last_at, one.at),
                tries = t.tries + CASE WHEN one.outcome = 'early' THEN one.uses ELSE 0 END,
                passes = t.passes + CASE WHEN one.outcome = 'early' THEN 0 ELSE one.uses END,
                expires_at = CASE WHEN t.valid_at > 0 THEN greatest(t.last_at, one.at) + lifetime ELSE t.expires_at END
                WHERE t.network = one.network AND t.sender = one.sender AND t.recipient = one.recipient;
        END IF;
    END LOOP;
    PERFORM greylist_count(
        (SELECT array_agg(floor(at / 86400)::int ORDER BY n) FROM unnest(ats) WITH ORDINALITY AS a(at, n)),
        domains, networks,
        (SELECT array_agg(
            CASE WHEN outcome <> 'early' THEN 'passed' WHEN learning THEN 'would_wait' ELSE 'delayed' END ORDER BY n)
            FROM unnest(outcomes) WITH ORDINALITY AS a(outcome, n)),
        uses);
END $$;
"""

_DROP = """
CREATE FUNCTION greylist_drop(networks text[], senders text[], recipients text[], forget boolean)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    gone record;
    total bigint := 0;
    days int[] := '{}'; doms text[] := '{}'; nets text[] := '{}';
BEGIN
    PERFORM 1 FROM greylist_client c WHERE c.network = ANY (networks) ORDER BY c.network FOR UPDATE;
    FOR gone IN
        DELETE FROM greylist_triplet t USING unnest(networks, senders, recipients) AS d(network, sender, recipient)
        WHERE t.network = d.network AND t.sender = d.sender AND t.recipient = d.recipient
        RETURNING t.network, t.domain, t.first_at, t.valid_at
    LOOP
        total := total + 1;
        UPDATE greylist_client c SET
            waiting = greatest(c.waiting - (gone.valid_at = 0)::int, 0),
            valid = greatest(c.valid - (forget AND gone.valid_at > 0)::int, 0)
            WHERE c.network = gone.network;
        IF gone.valid_at = 0 AND NOT forget THEN
            days := days || floor(gone.first_at / 86400)::int; doms := doms || gone.domain; nets := nets || gone.network;
        END IF;
    END LOOP;
    PERFORM greylist_count(
        days, doms, nets, array_fill('lost'::text, ARRAY[cardinality(days)]), array_fill(1::bigint, ARRAY[cardinality(days)]));
    RETURN total;
END $$;
"""

MIGRATIONS: tuple[str, ...] = (_TABLES + _COUNT + _DECIDE + _USE + _DROP,)
