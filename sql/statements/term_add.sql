INSERT INTO term (digest, variable, value, value_bytes, context, state, origin,
                  first_seen, last_seen, seen_count, last_counted,
                  first_executable, first_uid)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 1, ?9, ?10, ?11);
