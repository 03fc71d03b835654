// Node's mariadb.
'use strict';
const mariadb = require('mariadb');
const { run } = require('./steps.js');

console.log('version', mariadb.version);

run({
  async connect(account) {
    // Without TLS it asks for the key that encrypts the password only if told to.
    const connection = await mariadb.createConnection({
      ...account, permitLocalInfile: true, allowPublicKeyRetrieval: true, connectTimeout: 10000,
    });
    // What has been lost is told to whoever waits, and to nobody besides.
    connection.on('error', () => {});
    return {
      query: (sql) => connection.query(sql),
      prepared: (sql) => connection.execute(sql),
      end: async () => connection.destroy(),
    };
  },
  // It tells of the file itself, whatever the server says.
  missingFile: /ENOENT/,
});
