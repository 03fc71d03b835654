<?php
// PHP's mysqli (mysqlnd). Needs `php -d mysqli.allow_local_infile=On`.
declare(strict_types=1);

[$file, $other, $missing, $stage, $options] = array_map(
    fn (string $name) => (string) getenv("STAGEWIRE_$name"),
    ['FILE', 'OTHER', 'MISSING', 'STAGE', 'STAGE_OPTIONS'],
);

echo 'version ', PHP_VERSION, "\n";
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$connection = mysqli_init();
$connection->options(MYSQLI_OPT_LOCAL_INFILE, true);
$connection->real_connect(getenv('STAGEWIRE_HOST'), 'root', '', null, (int) getenv('STAGEWIRE_PORT'), null, getenv('COMPRESS') ? MYSQLI_CLIENT_COMPRESS : 0);

$upload = function (string $path, string $overwrite) use ($connection, $stage): void {
    $connection->query("LOAD DATA LOCAL INFILE '$path' INTO STAGE @$stage AUTO_COMPRESS=FALSE OVERWRITE=$overwrite");
    echo 'upload: ', $connection->info ?? 'OK', "\n";
};
$listed = fn (): array => array_map(
    fn (array $row) => [basename($row['name']), (int) $row['size']],
    $connection->query("LIST @$stage")->fetch_all(MYSQLI_ASSOC),
);
$expect_listed = fn (string $path) => expect('LIST', $listed(), [[basename($file), filesize($path)]]);

function expect(string $what, mixed $found, mixed $expected): void
{
    if ($found !== $expected) {
        throw new Exception("$what: expected " . json_encode($expected) . ', found ' . json_encode($found));
    }
}

function expect_error(callable $action): mysqli_sql_exception
{
    try {
        $action();
    } catch (mysqli_sql_exception $error) {
        return $error;
    }
    throw new Exception('expected an error');
}

function up(): void
{
    global $connection, $stage, $options, $file, $other, $missing, $upload, $expect_listed;
    $how = $connection->query("SHOW STATUS LIKE 'Compression_algorithm'")->fetch_row()[1];
    expect('compression', $how, getenv('COMPRESS') ?: 'uncompressed');
    $connection->query("CREATE STAGE $stage $options");
    $upload($file, 'FALSE');
    $expect_listed($file);
    $error = expect_error(fn () => $upload($missing, 'FALSE'));
    expect('error of a missing file', $error->getCode(), 1017);
    $expect_listed($file);
    // Skipped, because a file of that name is there: the listing still shows the first one.
    $upload($other, 'FALSE');
    $expect_listed($file);
    $error = expect_error(fn () => $connection->prepare("PUT 'file://$file' @$stage"));
    expect('error of a prepared upload', $error->getCode(), 1295);
}

function down(): void
{
    global $connection, $stage, $file, $other, $upload, $listed, $expect_listed;
    $upload($other, 'TRUE');
    $expect_listed($other);
    $connection->query("REMOVE @$stage/" . basename($file));
    expect('LIST after REMOVE', $listed(), []);
    $connection->query("DROP STAGE $stage");
}

$argv[1] === 'up' ? up() : down();
$connection->close();
