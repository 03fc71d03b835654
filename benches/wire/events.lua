-- What sysbench does again and again: one statement, or one log-in with its statement.
sysbench.cmdline.options = {
  text = { "The statement", "SELECT 1" },
  each = { "text, prepared or login", "text" },
}

function thread_init()
  driver = sysbench.sql.driver()
  if sysbench.opt.each ~= "login" then
    connection = driver:connect()
  end
  if sysbench.opt.each == "prepared" then
    prepared = connection:prepare(sysbench.opt.text)
  end
end

function event()
  if sysbench.opt.each == "login" then
    local own = driver:connect()
    own:query(sysbench.opt.text)
    own:disconnect()
  elseif prepared then
    prepared:execute()
  else
    connection:query(sysbench.opt.text)
  end
end
