// What each client program does, for Node's drivers: see README.md beside this file.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { STAGEWIRE_FILE: file, STAGEWIRE_OTHER: other, STAGEWIRE_MISSING: missing } = process.env;
const { STAGEWIRE_STAGE: stage, STAGEWIRE_STAGE_OPTIONS: options, STAGEWIRE_PASSWORD: password } = process.env;
const address = { host: process.env.STAGEWIRE_HOST, port: Number(process.env.STAGEWIRE_PORT), compress: !!process.env.COMPRESS };
const ssl = { ca: fs.readFileSync(process.env.STAGEWIRE_CA) };
// What says how it was sent: only a statement that the server has prepared is shown as Execute.
const how = 'SELECT COMMAND AS how FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()';

const cell = (column, value, reason = '') => console.log('cell', column, value, reason);

// Runs the phase that the command line names. A driver gives:
//   connect(account)  a connection, for user, password, host, port and perhaps ssl: with `query(sql)`, which
//                     resolves to rows or to the driver's form of an OK packet, with `prepared(sql)` if there
//                     are prepared statements, and with `end()`
//   missingFile       its error for a file that is not there
//   several           whether it can be asked for more than one file in a statement
//   cannot            for a column of the matrix: a part of the driver's own error, and the reason for it
function run({ connect, missingFile, several = false, cannot = {}, after = async () => {} }) {
  let connection;
  const query = (sql) => connection.query(sql);
  const asRoot = () => connect({ ...address, user: 'root', password: '' });
  const upload = async (source, overwrite) => {
    const answer = await query(
      `LOAD DATA LOCAL INFILE '${source}' INTO STAGE @${stage} AUTO_COMPRESS=FALSE OVERWRITE=${overwrite}`);
    console.log('upload:', answer);
  };
  const listing = (rows) => rows.map((row) => [path.basename(row.name), Number(row.size)]);
  const listed = async () => listing(await query(`LIST @${stage}`));
  const listedAs = (source) => [[path.basename(file), fs.statSync(source).size]];
  const expectListed = async (source) => assert.deepStrictEqual(await listed(), listedAs(source));

  // Twice, for the second time less is exchanged.
  const logIn = async (column, user, tls) => {
    const account = { ...address, user: `${stage}_${user}`, password, ...(tls ? { ssl } : {}) };
    for (let times = 0; times < 2; times++) {
      let own;
      try {
        own = await connect(account);
      } catch (error) {
        const [part, reason] = cannot[column] ?? [];
        if (!part || !String(error).includes(part)) throw error;
        return cell(column, '-', reason);
      }
      const [{ me }] = await own.query('SELECT CURRENT_USER() AS me');
      assert.strictEqual(me.split('@')[0], account.user);
      const [{ Value: cipher }] = await own.query("SHOW STATUS LIKE 'Ssl_cipher'");
      assert.strictEqual(cipher !== '', tls, `${column}: ${cipher}`);
      await own.end();
    }
    cell(column, 'yes');
  };

  const prepared = async () => {
    if (!connection.prepared) return cell('prepared', '-', "the driver has no prepared statements of the server's");
    assert.strictEqual((await connection.prepared(how))[0].how, 'Execute');
    assert.deepStrictEqual(listing(await connection.prepared(`LIST @${stage}`)), listedAs(file));
    cell('prepared', 'yes');
  };

  const missingStage = async () => {
    const error = await query('LIST @there_is_no_such_stage').then(() => assert.fail('no error'), (error) => error);
    assert.deepStrictEqual([error.errno, error.sqlState], [1146, '42S02']);
    cell('error', `${error.errno}/${error.sqlState}`);
  };

  // The connection is gone: the driver says so or makes another, and a new one works.
  const lost = async (column) => {
    const error = await query('SELECT 1').then(() => null, (error) => error);
    console.log(`${column}:`, error);
    connection = await asRoot();
    assert.strictEqual((await query("SELECT 'again' AS a"))[0].a, 'again');
    cell(column, error ? 'yes' : 'itself');
  };

  const kill = async () => {
    const [{ id }] = await query('SELECT CONNECTION_ID() AS id');
    const killer = await asRoot();
    await killer.query(`KILL ${id}`);
    // KILL is answered when the other connection has been told, and its end is a moment later.
    let there = true;
    for (let times = 0; there && times < 50; times++) {
      await sleep(100);
      there = (await killer.query('SHOW PROCESSLIST')).some((row) => Number(row.Id) === Number(id));
    }
    assert(!there, 'still there after KILL');
    await killer.end();
    await lost('kill');
  };

  const phases = {
    async up() {
      const [{ Value: way }] = await query("SHOW STATUS LIKE 'Compression_algorithm'");
      assert.strictEqual(way, process.env.COMPRESS ?? 'uncompressed');
      await logIn('native', 'native', false);
      await logIn('native_tls', 'native', true);
      await logIn('sha2', 'sha2', false);
      await logIn('sha2_tls', 'sha2_tls', true);
      await query(`CREATE STAGE ${stage} ${options}`);
      await upload(file, 'FALSE');
      await expectListed(file);
      cell('list', 'yes');
      await prepared();
      await assert.rejects(upload(missing, 'FALSE'), missingFile);
      await expectListed(file);
      // Skipped, because a file of that name is there: the listing still shows the first one.
      await upload(other, 'FALSE');
      await expectListed(file);
      await missingStage();
      await after(connection);
    },
    async down() {
      if (several) {
        const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'stagewire-'));
        const paths = ['one', 'two'].map((name) => path.join(directory, name));
        paths.forEach((name, index) => fs.writeFileSync(name, 'x'.repeat(index + 1)));
        await query(`PUT 'file://${paths[0]}', 'file://${paths[1]}' @${stage}/several AUTO_COMPRESS=FALSE`);
        const rows = await query(`LIST @${stage}/several/`);
        assert.deepStrictEqual(rows.map((row) => Number(row.size)), [1, 2]);
        await query(`REMOVE @${stage}/several/`);
        fs.rmSync(directory, { recursive: true });
      }
      await upload(other, 'TRUE');
      await expectListed(other);
      await query(`REMOVE @${stage}/${path.basename(file)}`);
      assert.deepStrictEqual(await listed(), []);
      await query(`DROP STAGE ${stage}`);
      await kill();
    },
    // The runner restarts the server when all programs have said that they are there.
    async restart() {
      await query('SELECT 1');
      fs.writeFileSync(process.env.STAGEWIRE_READY, '');
      while (!fs.existsSync(process.env.STAGEWIRE_GO)) await sleep(50);
      await lost('restart');
    },
    // Runs each of a list of statements and tells what came of it.
    async statements() {
      for (const statement of JSON.parse(fs.readFileSync(process.env.STAGEWIRE_STATEMENTS, 'utf8'))) {
        console.log('answer', JSON.stringify(await connection.answer(statement)));
      }
    },
  };

  // The process ends when nothing is open. (`process.exit` just after an upload blocks now and then for
  // ever, with Node 24.)
  const main = async () => {
    connection = await asRoot();
    try {
      await phases[process.argv[2]]();
    } finally {
      await connection.end();
    }
  };
  main().catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}

module.exports = { file, stage, run };
