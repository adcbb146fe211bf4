// SPDX-License-Identifier: Apache-2.0
// Evaluates the part of Elasticsearch's query DSL that Kibana's translator
// makes of the rule's query, on one document of keyword fields.
'use strict';

const { flatten } = require('./schema.js');

const asList = (value) => (Array.isArray(value) ? value : [value]);

// A query_string of one term: \x is x itself, * and ? are wildcards.
function globOf(text) {
  const literal = (c) => c.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
  let pattern = '';
  for (let i = 0; i < text.length; ++i) {
    if (text[i] === '\\')
      pattern += literal(text[++i]);
    else if (text[i] === '*')
      pattern += '.*';
    else if (text[i] === '?')
      pattern += '.';
    else
      pattern += literal(text[i]);
  }
  return new RegExp(`^${pattern}$`, 's');
}

const CLAUSES = {
  match: (body, flat) => Object.entries(body).every(
    ([field, value]) => asList(flat[field]).includes(value)),
  match_phrase: (body, flat) => CLAUSES.match(body, flat),
  exists: (body, flat) => asList(flat[body.field]).some(
    (value) => value !== undefined && value !== null),
  query_string: (body, flat) => body.fields.some(
    (field) => asList(flat[field]).some(
      (value) => value !== undefined && globOf(body.query).test(value))),
  bool: (body, flat) => {
    const all = (list) => asList(list || []).every((q) => matches(q, flat));
    const should = asList(body.should || []);
    const least = body.minimum_should_match || 0;
    const hits = should.filter((q) => matches(q, flat)).length;
    return all(body.must) && all(body.filter) && hits >= least &&
      asList(body.must_not || []).every((q) => !matches(q, flat));
  },
};

function matches(query, flat) {
  return Object.entries(query).every(([name, body]) => {
    if (!CLAUSES[name])
      throw new Error(`a clause that this evaluator does not know: ${name}`);
    return CLAUSES[name](body, flat);
  });
}

module.exports = {
  matches: (query, document) => matches(query, flatten(document)),
};
