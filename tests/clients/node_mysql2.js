// Node's mysql2. With PREPARED=1 the random statements are prepared.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const mysql = require('mysql2/promise');
const { file, stage, run } = require('./steps.js');

console.log('version', require('mysql2/package.json').version);

// Values of every type, as text and as the driver reads them from the binary protocol.
async function types(connection) {
  const sql = `SELECT NULL, -1, 18446744073709551615, CAST(1.5 AS FLOAT), 1.5e0, -0.050, CAST(1234.5 AS DECIMAL(6,2)),
    DATE '2024-05-06', TIME '-26:03:04', CAST('00:00:01.125' AS TIME(3)), TIMESTAMP '2024-05-06 07:08:09',
    CAST('2024-05-06 07:08:09.0125' AS DATETIME(6)), 'text', x'00FF', CAST('{"a": 1}' AS JSON), TIMEDIFF(NOW(), NOW()),
    SUM(1.5), AVG(1), CURDATE() = CURRENT_DATE`;
  const options = { sql, rowsAsArray: true, dateStrings: true, supportBigNumbers: true, bigNumberStrings: true };
  const expected = [
    null, '-1', '18446744073709551615', 1.5, 1.5, '-0.050', '1234.50', '2024-05-06', '-26:03:04', '00:00:01.125',
    '2024-05-06 07:08:09', '2024-05-06 07:08:09.012500', 'text', '00ff', { a: 1 }, '00:00:00', '1.5', '1.0000', '1',
  ];
  const codes = [6, 8, 8, 4, 5, 246, 246, 10, 11, 11, 12, 12, 253, 252, 245, 11, 246, 246, 8];
  for (const way of ['query', 'execute']) {
    const [[row], fields] = await connection[way](options);
    const plain = row.map((value) => (Buffer.isBuffer(value) ? value.toString('hex') : value));
    const same = plain.map((value, index) => (typeof expected[index] === 'string' ? String(value) : value));
    assert.deepStrictEqual(same, expected, way);
    assert.deepStrictEqual(fields.map((field) => field.columnType), codes, way);
  }
}

run({
  async connect(account) {
    const connection = await mysql.createConnection({
      ...account,
      infileStreamFactory: (name) => fs.createReadStream(name),
    });
    connection.on('error', () => {});
    const first = ([rows]) => rows;
    return {
      driver: connection,
      query: (sql) => connection.query(sql).then(first),
      prepared: (sql) => connection.execute(sql).then(first),
      end: async () => connection.destroy(),
      async answer(sql) {
        const way = process.env.PREPARED === '1' ? 'execute' : 'query';
        try {
          const [rows, fields] = await connection[way](sql);
          return Array.isArray(rows) ? { columns: fields.map((field) => field.name), rows: rows.length } : { ok: true };
        } catch (error) {
          if (!error.errno || error.fatal) throw error;
          return { error: `${error.errno}/${error.sqlState}` };
        }
      },
    };
  },
  missingFile: { errno: 1017 },
  several: true,
  async after(connection) {
    // The driver would hang for ever if a prepared statement were answered with a request for a file.
    await assert.rejects(connection.prepared(`PUT 'file://${file}' @${stage}`), { errno: 1295 });
    // What has changed in the session is told behind each statement.
    const changes = async (sql) => (await connection.query(sql)).stateChanges;
    assert.strictEqual((await changes('USE default')).schema, 'default');
    assert.strictEqual((await changes('SET autocommit = 0')).systemVariables.autocommit, 'OFF');
    await types(connection.driver);
  },
});
