// One log-in: `log_in.js mysql2|mariadb clear|tls QUERY USER`.
'use strict';
const fs = require('node:fs');

const [library, how, query, user] = process.argv.slice(2);
const settings = {
  host: process.env.STAGEWIRE_HOST,
  port: Number(process.env.STAGEWIRE_PORT),
  user,
  password: 'wo:rd @1',
};
if (how === 'tls') settings.ssl = { ca: fs.readFileSync(process.env.STAGEWIRE_CA) };
if (library === 'mariadb') settings.allowPublicKeyRetrieval = true;

(async () => {
  const driver = require(library === 'mysql2' ? 'mysql2/promise' : 'mariadb');
  const connection = await driver.createConnection(settings);
  console.log(JSON.stringify(await connection.query(query)));
  await connection.end();
})().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
