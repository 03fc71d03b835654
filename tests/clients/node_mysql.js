// Node's mysql, the first of them.
'use strict';
const { promisify } = require('node:util');
const mysql = require('mysql');
const { run } = require('./steps.js');

console.log('version', require('mysql/package.json').version);

const unknown = ['requesting the caching_sha2_password authentication method', "the driver doesn't know caching_sha2_password"];

run({
  async connect(account) {
    const connection = mysql.createConnection(account);
    connection.on('error', () => {});
    await promisify(connection.connect).call(connection);
    return {
      query: promisify(connection.query).bind(connection),
      end: async () => connection.destroy(),
    };
  },
  missingFile: { errno: 1017 },
  several: true,
  cannot: { sha2: unknown, sha2_tls: unknown },
});
