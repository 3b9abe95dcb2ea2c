-- Everything that decides whether people may buy. Called by hold_tickets, and by accounts/eligibility.py.
CREATE OR REPLACE FUNCTION accounts_standings(people uuid[], least_age integer) RETURNS TABLE (
    user_id uuid, is_active boolean, email_verified_at timestamptz, barriers text[], is_limited boolean, missing text[],
    age integer, minimum_age integer, is_allowed boolean, reason varchar, paused_until timestamptz,
    excluded_until timestamptz, excluded_forever boolean, terms_version varchar, terms_url varchar,
    has_accepted boolean
) LANGUAGE sql STABLE AS $$
    SELECT
        u.id, u.is_active, u.email_verified_at,
        -- What stands in the way, the weightiest first.
        array_remove(ARRAY[
            CASE WHEN g.excluded_forever OR g.excluded_until > statement_timestamp() THEN 'self_excluded' END,
            CASE WHEN g.paused_until > statement_timestamp() THEN 'paused' END,
            CASE WHEN u.mailbox IS NULL THEN 'duplicate_account' END,
            CASE WHEN facts.missing <> '{}' THEN 'profile_incomplete' END,
            CASE WHEN facts.age < facts.minimum_age THEN 'under_age' END,
            CASE WHEN NOT rule.allowed THEN 'country_not_allowed' END,
            CASE WHEN NOT terms.accepted THEN 'terms_not_accepted' END
        ], NULL),
        EXISTS (
            SELECT FROM accounts_spendlimit AS l WHERE l.user_id = u.id
            AND CASE WHEN l.next_from <= statement_timestamp() THEN l.next_amount ELSE l.amount END IS NOT NULL
        ),
        facts.missing, facts.age, facts.minimum_age, coalesce(rule.allowed, true), rule.reason,
        g.paused_until, g.excluded_until, coalesce(g.excluded_forever, false), terms.version, terms.url, terms.accepted
    FROM accounts_user AS u
    LEFT JOIN accounts_safeguards AS g ON g.user_id = u.id
    -- A region sorts after the empty one, which is its whole country.
    LEFT JOIN LATERAL accounts_rule(u.country, u.region, statement_timestamp()) AS rule ON true
    LEFT JOIN LATERAL (
        SELECT t.version, t.url, EXISTS (
            SELECT FROM accounts_termsacceptance AS a WHERE a.user_id = u.id AND a.terms_id = t.id
        ) AS accepted
        FROM accounts_terms AS t WHERE t.effective_from <= statement_timestamp()
        ORDER BY t.effective_from DESC LIMIT 1
    ) AS terms ON true
    CROSS JOIN LATERAL (
        SELECT
            array_remove(ARRAY[
                CASE WHEN u.date_of_birth IS NULL THEN 'date_of_birth' END,
                CASE WHEN u.country = '' THEN 'country' END,
                CASE WHEN u.region = '' AND EXISTS (
                    SELECT FROM accounts_countryrule AS r
                    WHERE r.country = u.country AND r.region > '' AND r.effective_from <= statement_timestamp()
                ) THEN 'region' END
            ], NULL) AS missing,
            accounts_age(u.date_of_birth, u.country, statement_timestamp()) AS age,
            greatest(least_age, rule.minimum_age) AS minimum_age
    ) AS facts
    WHERE u.id = ANY (people)
$$;
