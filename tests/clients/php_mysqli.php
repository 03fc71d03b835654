<?php
// PHP's mysqli (mysqlnd). Needs `php -d mysqli.allow_local_infile=On`.
declare(strict_types=1);
require __DIR__ . '/steps.php';

final class Mysqli_ extends Steps
{
    protected string $failure = mysqli_sql_exception::class;

    protected function connect(string $user, string $password, bool $tls): object
    {
        $connection = mysqli_init();
        $connection->options(MYSQLI_OPT_LOCAL_INFILE, true);
        if ($tls) {
            $connection->ssl_set(null, null, (string) getenv('STAGEWIRE_CA'), null, null);
        }
        $port = (int) getenv('STAGEWIRE_PORT');
        $flags = ($tls ? MYSQLI_CLIENT_SSL : 0) | (getenv('COMPRESS') ? MYSQLI_CLIENT_COMPRESS : 0);
        $connection->real_connect(getenv('STAGEWIRE_HOST'), $user, $password, null, $port, null, $flags);
        return $connection;
    }

    protected function rows_of(object $connection, string $sql): array
    {
        $result = $connection->query($sql);
        return is_bool($result) ? [] : $result->fetch_all(MYSQLI_ASSOC);
    }

    protected function prepared(string $sql): array
    {
        $statement = $this->connection->prepare($sql);
        $statement->execute();
        return $statement->get_result()->fetch_all(MYSQLI_ASSOC);
    }

    protected function expect_no_prepared_upload(): void
    {
        $error = $this->expect_error(fn () => $this->connection->prepare("PUT 'file://$this->file' @$this->stage"));
        $this->expect('error of a prepared upload', $error->getCode(), 1295);
    }

    protected function code(Throwable $error): string
    {
        return $error->getCode() . '/' . $error->getSqlState();
    }
}

mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
(new Mysqli_())->run($argv[1]);
