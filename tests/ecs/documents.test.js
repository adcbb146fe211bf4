// SPDX-License-Identifier: Apache-2.0
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { EcsVersion } = require('@elastic/ecs');
const { kbnEsQuery } = require('kbn-es-query');

const { matches } = require('./query.js');
const { problemsOf } = require('./schema.js');

const read = (name) =>
  fs.readFileSync(path.join(__dirname, '..', name), 'utf8')
    .trimEnd().split('\n').map((line) => JSON.parse(line));
const execs = read('exec.jsonl');
const others = read('other.jsonl');

// The conditions of "Unusual Preload Environment Variable Process Execution",
// with one of the exclusions that it lists.
const RULE = 'event.category:process and host.os.type:linux and ' +
  'event.type:start and event.action:exec and process.env_vars:* and ' +
  'not process.parent.executable:(/snap/* or "/opt/agent/child")';
const translated = kbnEsQuery.toElasticsearchQuery(
  kbnEsQuery.fromKueryExpression(RULE));

const clone = (document) => JSON.parse(JSON.stringify(document));

test('documents are of the version of ECS that they are checked against', () => {
  for (const document of [...execs, ...others])
    assert.strictEqual(document.ecs.version, EcsVersion);
});

test('every document keeps to the field list of ECS', () => {
  assert.ok(execs.length > 50);
  for (const document of [...execs, ...others])
    assert.deepStrictEqual(problemsOf(document), []);
});

test('the check finds what is wrong', () => {
  const [good] = execs;
  const broken = [
    (d) => { d.process.pid = '1'; },
    (d) => { d.process.env_vars = 'LD_PRELOAD=x'; },
    (d) => { d.process.env_vars = ['v'.repeat(1025)]; },
    (d) => { d.process.tty = 'pts0'; },
    (d) => { d.event.kind = 'alarm'; },
    (d) => { d.event.type = ['allowed']; },
    (d) => { d.host.os.type = 'Linux'; },
    (d) => { d['@timestamp'] = 1; },
    (d) => { d.process.colour = 'blue'; },
  ];
  for (const breakIt of broken) {
    const document = clone(good);
    breakIt(document);
    assert.notDeepStrictEqual(problemsOf(document), [], breakIt.toString());
  }
});

test('the query of the rule finds every exec, alert and event', () => {
  const kinds = new Set(execs.map((document) => document.event.kind));
  assert.deepStrictEqual([...kinds].sort(), ['alert', 'event']);
  for (const document of execs)
    assert.ok(matches(translated, document), JSON.stringify(document));
});

test('and nothing that is no exec', () => {
  for (const document of others)
    assert.ok(!matches(translated, document), JSON.stringify(document));
});

test('every condition of the query counts', () => {
  const [good] = execs;
  const changed = [
    (d) => { d.event.category = ['file']; },
    (d) => { d.host.os.type = 'macos'; },
    (d) => { d.event.type = ['end']; },
    (d) => { d.event.action = 'fork'; },
    (d) => { delete d.process.env_vars; },
    (d) => { d.process.env_vars = []; },
    (d) => { d.process.parent.executable = '/snap/core/1/bin/x'; },
    (d) => { d.process.parent.executable = '/opt/agent/child'; },
  ];
  for (const change of changed) {
    const document = clone(good);
    change(document);
    assert.ok(!matches(translated, document), change.toString());
  }
});

test('documents go where the rule looks', () => {
  for (const { data_stream: stream } of [...execs, ...others]) {
    const index = `${stream.type}-${stream.dataset}-${stream.namespace}`;
    assert.match(index, /^logs-endpoint\.events\.process/);
  }
});
