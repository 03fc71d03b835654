// Node's mysql2.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const mysql = require('mysql2/promise');
const { address, file, stage, steps, run } = require('./steps.js');

console.log('version', require('mysql2/package.json').version);

run(async (phase) => {
  const connection = await mysql.createConnection({
    ...address,
    infileStreamFactory: (name) => fs.createReadStream(name),
  });
  try {
    const query = async (sql) => (await connection.query(sql))[0];
    await steps(query, { errno: 1017 }, true)[phase]();
    // What has changed in the session is told behind each statement.
    const changes = async (sql) => (await query(sql)).stateChanges;
    assert.strictEqual((await changes('USE default')).schema, 'default');
    assert.strictEqual((await changes('SET autocommit = 0')).systemVariables.autocommit, 'OFF');
    // The driver would hang for ever if a prepared statement were answered with a request for a file.
    await assert.rejects(connection.execute(`PUT 'file://${file}' @${stage}`), { errno: 1295 });
  } finally {
    connection.destroy();
  }
});
