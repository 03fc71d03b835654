// What each client program does, for Node's drivers: see README.md beside this file.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { STAGEWIRE_FILE: file, STAGEWIRE_OTHER: other, STAGEWIRE_MISSING: missing } = process.env;
const { STAGEWIRE_STAGE: stage, STAGEWIRE_STAGE_OPTIONS: options } = process.env;
const address = { host: process.env.STAGEWIRE_HOST, port: Number(process.env.STAGEWIRE_PORT), user: 'root', compress: !!process.env.COMPRESS };

// `query` runs a statement and resolves to its rows or to the driver's form of an OK packet;
// `missingFile` is the driver's error for a file that is not there, `several` whether it can be asked for
// more than one in a statement.
function steps(query, missingFile, several = false) {
  const upload = async (source, overwrite) => {
    const answer = await query(
      `LOAD DATA LOCAL INFILE '${source}' INTO STAGE @${stage} AUTO_COMPRESS=FALSE OVERWRITE=${overwrite}`);
    console.log('upload:', answer);
  };
  const listed = async () => (await query(`LIST @${stage}`)).map((row) => [path.basename(row.name), Number(row.size)]);
  const expectListed = async (source) =>
    assert.deepStrictEqual(await listed(), [[path.basename(file), fs.statSync(source).size]]);

  return {
    async up() {
      const [{ Value: how }] = await query("SHOW STATUS LIKE 'Compression_algorithm'");
      assert.strictEqual(how, process.env.COMPRESS ?? 'uncompressed');
      await query(`CREATE STAGE ${stage} ${options}`);
      await upload(file, 'FALSE');
      await expectListed(file);
      await assert.rejects(upload(missing, 'FALSE'), missingFile);
      await expectListed(file);
      // Skipped, because a file of that name is there: the listing still shows the first one.
      await upload(other, 'FALSE');
      await expectListed(file);
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
      }
      await upload(other, 'TRUE');
      await expectListed(other);
      await query(`REMOVE @${stage}/${path.basename(file)}`);
      assert.deepStrictEqual(await listed(), []);
      await query(`DROP STAGE ${stage}`);
    },
  };
}

// `main` opens a connection and closes it whatever happens: the process ends when nothing is open.
// (`process.exit` just after an upload blocks now and then for ever, with Node 24.)
function run(main) {
  main(process.argv[2]).catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}

module.exports = { address, file, stage, steps, run };
