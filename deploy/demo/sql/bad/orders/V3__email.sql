-- adds who to write to
alter table orders add column email text;
update orders set email = lower(custmer) || '@example.com';
