// SPDX-License-Identifier: Apache-2.0
// Whether a document keeps to the field list of ECS: names, types, arrays,
// allowed and expected values.
'use strict';

const { EcsFlat } = require('@elastic/ecs');

// Fields outside ECS: ours, and Auditbeat's for the login user.
const OWN = [/^audisp_preload\./, /^user\.audit\.(id|name)$/];

const isIsoDate = (v) =>
  typeof v === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(v) &&
  !Number.isNaN(Date.parse(v));

const TYPES = {
  keyword: (v) => typeof v === 'string',
  constant_keyword: (v) => typeof v === 'string',
  wildcard: (v) => typeof v === 'string',
  text: (v) => typeof v === 'string',
  match_only_text: (v) => typeof v === 'string',
  long: (v) => Number.isSafeInteger(v),
  float: (v) => typeof v === 'number',
  boolean: (v) => typeof v === 'boolean',
  date: isIsoDate,
};

// The fields of a document as Elasticsearch sees them: dotted name to value.
function flatten(node, prefix = '', out = {}) {
  for (const [key, value] of Object.entries(node)) {
    const name = prefix + key;
    if (value !== null && typeof value === 'object' && !Array.isArray(value))
      flatten(value, name + '.', out);
    else
      out[name] = value;
  }
  return out;
}

function checkField(name, value) {
  if (OWN.some((pattern) => pattern.test(name)))
    return [];
  const field = EcsFlat[name];
  if (!field)
    return [`${name} is no field of ECS`];
  const problems = [];
  const wantsArray = (field.normalize || []).includes('array');
  if (wantsArray !== Array.isArray(value))
    problems.push(`${name} is ${wantsArray ? 'no' : 'an'} array`);
  const check = TYPES[field.type];
  const allowed = (field.allowed_values || []).map((v) => v.name);
  for (const item of Array.isArray(value) ? value : [value]) {
    if (!check)
      problems.push(`${name} has the type ${field.type}`);
    else if (!check(item))
      problems.push(`${name} is no ${field.type}: ${JSON.stringify(item)}`);
    if (allowed.length > 0 && !allowed.includes(item))
      problems.push(`${name} may not be ${item}`);
    if (field.expected_values && !field.expected_values.includes(item))
      problems.push(`${name} is not expected to be ${item}`);
    if (field.ignore_above && typeof item === 'string' &&
        item.length > field.ignore_above)
      problems.push(`${name} is too long to be indexed: ${item.length}`);
  }
  return problems;
}

// event.type must be one that each event.category expects.
function checkCategories(flat) {
  const problems = [];
  for (const category of flat['event.category'] || []) {
    const spec = EcsFlat['event.category'].allowed_values.find(
      (v) => v.name === category);
    for (const type of flat['event.type'] || [])
      if (!spec || !spec.expected_event_types.includes(type))
        problems.push(`event.type ${type} does not go with ${category}`);
  }
  return problems;
}

// What is wrong with it, in words; nothing when it is right.
function problemsOf(document) {
  const flat = flatten(document);
  const problems = Object.entries(flat).flatMap(
    ([name, value]) => checkField(name, value));
  for (const name of ['@timestamp', 'ecs.version', 'event.kind'])
    if (!(name in flat))
      problems.push(`${name} is missing`);
  return problems.concat(checkCategories(flat));
}

module.exports = { flatten, problemsOf };
