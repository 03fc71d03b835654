<?php
// PHP's PDO (mysqlnd).
declare(strict_types=1);
require __DIR__ . '/steps.php';

final class Pdo_ extends Steps
{
    protected string $failure = PDOException::class;

    private function open(string $user, string $password, bool $tls, bool $emulate): PDO
    {
        $options = [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            PDO::MYSQL_ATTR_LOCAL_INFILE => true,
            PDO::ATTR_EMULATE_PREPARES => $emulate,
        ] + ($tls ? [PDO::MYSQL_ATTR_SSL_CA => getenv('STAGEWIRE_CA')] : []);
        $address = 'mysql:host=' . getenv('STAGEWIRE_HOST') . ';port=' . getenv('STAGEWIRE_PORT');
        return new PDO($address, $user, $password, $options);
    }

    protected function connect(string $user, string $password, bool $tls): object
    {
        return $this->open($user, $password, $tls, true);
    }

    protected function rows_of(object $connection, string $sql): array
    {
        $statement = $connection->query($sql);
        return $statement->columnCount() > 0 ? $statement->fetchAll(PDO::FETCH_ASSOC) : [];
    }

    protected function prepared(string $sql): array
    {
        $connection = $this->open('root', '', false, false);
        $statement = $connection->prepare($sql);
        $statement->execute();
        return $statement->fetchAll(PDO::FETCH_ASSOC);
    }

    // An upload that can't be prepared is sent as a text by the driver itself.
    protected function expect_no_prepared_upload(): void
    {
    }

    protected function code(Throwable $error): string
    {
        return $error->errorInfo[1] . '/' . $error->errorInfo[0];
    }
}

(new Pdo_())->run($argv[1]);
