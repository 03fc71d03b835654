// Node's mariadb.
'use strict';
const mariadb = require('mariadb');
const { address, steps, run } = require('./steps.js');

console.log('version', mariadb.version);

run(async (phase) => {
  const connection = await mariadb.createConnection({ ...address, permitLocalInfile: true });
  try {
    // It tells of the file itself, whatever the server says.
    await steps((sql) => connection.query(sql), /ENOENT/)[phase]();
  } finally {
    connection.destroy();
  }
});
